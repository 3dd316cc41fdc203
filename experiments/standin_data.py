"""SQuAD as text for the stand-in: its tokenizer (GPT-2 byte pairs, as OPT has) and its training windows."""

import json
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

# The prompt of `dilemma eval squad` (src/evaluation/squad.cc), whose answers end with the line.
INSTRUCTION = "Answer each question with a few words copied from the passage.\n\n"
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]  # ids 0..3, as in OPT; </s> starts and ends every text
END = 2


def load_squad(path):
    """Articles of a SQuAD v1.1 file: (title, [(context, [(question, answer)])])."""
    articles = []
    for article in json.loads(Path(path).read_text(encoding="utf-8"))["data"]:
        paragraphs = []
        for paragraph in article["paragraphs"]:
            pairs = [(qa["question"].strip(), qa["answers"][0]["text"]) for qa in paragraph["qas"]]
            paragraphs.append((paragraph["context"].strip(), pairs))
        articles.append((article["title"], paragraphs))
    return articles


def split(articles, every):
    """(training articles, held-out articles): every `every`-th article is held out."""
    held = [a for i, a in enumerate(articles) if i % every == every - 1]
    return [a for i, a in enumerate(articles) if i % every != every - 1], held


def train_tokenizer(articles, size):
    """Byte-level BPE in GPT-2's way, trained on the articles; OPT's special tokens come first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIAL, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    texts = ("\n".join([c] + [f"Question: {q}\nAnswer: {a}" for q, a in pairs])
             for _, paragraphs in articles for c, pairs in paragraphs)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save_tokenizer(tokenizer, folder):
    """vocab.json, merges.txt and the two configuration files, as in an OPT folder."""
    tokenizer.model.save(str(folder))
    entry = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False, "special": True}
    config = {
        "add_bos_token": True, "add_prefix_space": False, "tokenizer_class": "GPT2Tokenizer",
        "bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "</s>",
        "added_tokens_decoder": {str(i): {"content": SPECIAL[i], **entry} for i in (1, 2)},
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "special_tokens_map.json").write_text(
        json.dumps({k: config[k] for k in ("bos_token", "eos_token", "pad_token", "unk_token")}, indent=2) + "\n")


class Windows:
    """Texts "<instruction>Passage: ...\\nQuestion: ...\\nAnswer: ...\\n", several questions each, packed into windows."""

    def __init__(self, articles, tokenizer, length, answer_weight):
        self.length, self.answer_weight = length, answer_weight
        encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
        self.texts = []
        for _, paragraphs in articles:
            for context, pairs in paragraphs:
                parts = [(encode(f"\nQuestion: {q}\nAnswer:"), encode(f" {a}")) for q, a in pairs]
                self.texts.append((encode(f"{INSTRUCTION}Passage: {context}"), parts))

    def text(self, index, rng):
        """One text with its questions in random order: (ids, weights). What ends an answer counts as answer."""
        context, parts = self.texts[index]
        ids, weights = [END] + context, [1.0] * (len(context) + 1)
        after = 1.0
        for question, answer in rng.sample(parts, len(parts)):
            ids += question + answer
            weights += [after] + [1.0] * (len(question) - 1) + [self.answer_weight] * len(answer)
            after = self.answer_weight
        return ids, weights

    def epoch(self, rng):
        """Yields (ids, weights) of `length` + 1 tokens: each text once from its start, then what fits of others."""
        for i in rng.sample(range(len(self.texts)), len(self.texts)):
            ids, weights = self.text(i, rng)
            while len(ids) <= self.length:
                more = self.text(rng.randrange(len(self.texts)), rng)
                ids, weights = ids + more[0], weights + [self.answer_weight] + more[1][1:]
            yield ids[: self.length + 1], weights[: self.length + 1]

    def batches(self, seed, size):
        """Endless batches: inputs and targets of shape (size, length), weights of the targets."""
        rng = random.Random(seed)
        rows = []
        while True:
            for row in self.epoch(rng):
                rows.append(row)
                if len(rows) == size:
                    ids = torch.tensor([r[0] for r in rows])
                    weights = torch.tensor([r[1] for r in rows])
                    yield ids[:, :-1], ids[:, 1:], weights[:, 1:]
                    rows = []
