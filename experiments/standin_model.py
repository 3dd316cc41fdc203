"""OPT-350m's topology for training: post-norm blocks, no final norm, projections around narrower embeddings.

Trained with DeepNorm's residual weight and initial scales (Wang et al., "DeepNet", 2022), without which 24
post-norm layers hardly start to learn. LayerNorm(a x + f) = LayerNorm(x + f / a), so the weight `a` disappears
into the output matrices when the model is saved: what is saved is plain OPT.
"""

import copy
import json

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

POSITION_OFFSET = 2  # OPT keeps position p in row p + 2


def opt_config(vocab, embed, width, layers, heads, ffn, positions):
    """config.json of an OPT model with OPT-350m's switches."""
    return {
        "model_type": "opt", "architectures": ["OPTForCausalLM"], "vocab_size": vocab,
        "word_embed_proj_dim": embed, "hidden_size": width, "num_hidden_layers": layers,
        "num_attention_heads": heads, "ffn_dim": ffn, "max_position_embeddings": positions,
        "do_layer_norm_before": False, "_remove_final_layer_norm": False, "activation_function": "relu",
        "enable_bias": True, "layer_norm_elementwise_affine": True, "bos_token_id": 2, "eos_token_id": 2,
        "pad_token_id": 1, "prefix": "</s>", "torch_dtype": "float32", "tie_word_embeddings": True,
        "dropout": 0.0, "attention_dropout": 0.0, "layerdrop": 0.0,
    }


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        d, f, n = config["hidden_size"], config["ffn_dim"], config["num_hidden_layers"]  # of the grown model
        self.heads, self.alpha, beta = config["num_attention_heads"], (2 * n) ** 0.25, (8 * n) ** -0.25
        self.qkv, self.out_proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.fc1, self.fc2 = nn.Linear(d, f), nn.Linear(f, d)
        self.self_attn_layer_norm, self.final_layer_norm = nn.LayerNorm(d), nn.LayerNorm(d)
        q, k, v = self.qkv.weight.data.split(d)
        for weight, gain in ((q, 1), (k, 1), (v, beta), (self.out_proj.weight, beta), (self.fc1.weight, beta),
                             (self.fc2.weight, beta)):
            nn.init.xavier_normal_(weight, gain)
        for linear in (self.qkv, self.out_proj, self.fc1, self.fc2):
            nn.init.zeros_(linear.bias)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, t, d)
        x = self.self_attn_layer_norm(self.alpha * x + self.out_proj(a))
        return self.final_layer_norm(self.alpha * x + self.fc2(F.relu(self.fc1(x))))


class StandIn(nn.Module):
    """`layers` may be fewer than the configuration says, to train a shallow model first; grow() doubles them."""

    def __init__(self, config, layers=None):
        super().__init__()
        self.config = config
        embed, width = config["word_embed_proj_dim"], config["hidden_size"]
        self.embed_tokens = nn.Embedding(config["vocab_size"], embed)
        self.embed_positions = nn.Embedding(config["max_position_embeddings"] + POSITION_OFFSET, width)
        self.project_in = nn.Linear(embed, width, bias=False)
        self.project_out = nn.Linear(width, embed, bias=False)
        self.layers = nn.ModuleList(Layer(config) for _ in range(layers or config["num_hidden_layers"]))
        for embedding in (self.embed_tokens, self.embed_positions):
            nn.init.normal_(embedding.weight, std=0.05)

    def forward(self, ids):
        """ids (batch, length) -> logits (batch, length, vocabulary)."""
        positions = torch.arange(ids.shape[1], device=ids.device) + POSITION_OFFSET
        x = self.project_in(self.embed_tokens(ids)) + self.embed_positions(positions)
        for layer in self.layers:
            x = layer(x)
        return F.linear(self.project_out(x), self.embed_tokens.weight)

    @torch.no_grad()
    def grow(self):
        """Every layer becomes two that each do half of its work, so that the function hardly changes."""
        layers = []
        for layer in self.layers:
            for linear in (layer.out_proj, layer.fc2):
                linear.weight /= 2
                linear.bias /= 2
            first = copy.deepcopy(layer)
            for norm in (first.self_attn_layer_norm, first.final_layer_norm):
                nn.init.ones_(norm.weight)
                nn.init.zeros_(norm.bias)
            layers += [first, layer]
        self.layers = nn.ModuleList(layers)

    @torch.no_grad()
    def save(self, folder, dtype=torch.float32):
        """config.json and model.safetensors of a Hugging Face OPT folder."""
        out = {f"{name}.weight": getattr(self, name).weight
               for name in ("embed_tokens", "embed_positions", "project_in", "project_out")}
        for i, layer in enumerate(self.layers):
            at = f"layers.{i}."
            for s in ("weight", "bias"):
                q, k, v = getattr(layer.qkv, s).chunk(3)
                out |= {f"{at}self_attn.{n}_proj.{s}": t for n, t in (("q", q), ("k", k), ("v", v))}
                out[f"{at}self_attn.out_proj.{s}"] = getattr(layer.out_proj, s) / layer.alpha
                out[f"{at}fc1.{s}"] = getattr(layer.fc1, s)
                out[f"{at}fc2.{s}"] = getattr(layer.fc2, s) / layer.alpha
                for name in ("self_attn_layer_norm", "final_layer_norm"):
                    out[f"{at}{name}.{s}"] = getattr(getattr(layer, name), s)
        tensors = {f"model.decoder.{k}": v.detach().to("cpu", dtype).contiguous().clone() for k, v in out.items()}
        save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
        (folder / "config.json").write_text(json.dumps(self.config, indent=2) + "\n")
