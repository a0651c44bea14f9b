{
  "targets": [
    {
      "target_name": "tsdocker",
      "sources": [
        "native/addon.cc",
        "native/worker.cc",
        "native/netlink.cc",
        "native/netns.cc",
        "native/socket.cc",
        "native/fds.cc",
        "native/poll.cc",
        "native/process.cc",
        "native/file-watch.cc",
        "native/parked.cc",
        "native/splice.cc",
        "native/splice-loop.cc",
        "native/splice-ports.cc",
        "native/splice-stream.cc",
        "native/splice-connection.cc",
        "native/splice-datagram.cc",
        "native/datagrams.cc",
        "native/replies.cc",
        "native/bpf.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS", "_GNU_SOURCE"],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions"],
      "cflags_cc": ["-std=c++20", "-fexceptions", "-O2", "-Wall", "-Wextra", "-Wno-cast-function-type"]
    }
  ]
}
