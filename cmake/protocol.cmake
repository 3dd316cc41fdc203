# dilemma_protocol(<file.proto under src>): the target dilemma_protocol with the generated messages and service.
# Generated code is not ours: it is compiled without warnings and seen as system headers.
function(dilemma_protocol proto)
  set(dir ${CMAKE_BINARY_DIR}/generated)
  get_filename_component(folder ${proto} DIRECTORY)
  get_filename_component(stem ${proto} NAME_WE)
  file(MAKE_DIRECTORY ${dir}/${folder})
  set(base ${dir}/${folder}/${stem})
  set(outputs ${base}.pb.cc ${base}.pb.h ${base}.grpc.pb.cc ${base}.grpc.pb.h)
  add_custom_command(OUTPUT ${outputs}
    COMMAND protobuf::protoc --proto_path=${CMAKE_CURRENT_SOURCE_DIR} --cpp_out=${dir} --grpc_out=${dir}
            --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin> ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
    DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${proto} COMMENT "Generating messages of ${proto}" VERBATIM)
  add_library(dilemma_protocol STATIC ${outputs})
  target_compile_options(dilemma_protocol PRIVATE -w)
  target_include_directories(dilemma_protocol SYSTEM PUBLIC ${dir})
  target_link_libraries(dilemma_protocol PUBLIC gRPC::grpc++ protobuf::libprotobuf)
endfunction()
