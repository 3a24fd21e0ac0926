#!/bin/bash

# How lean-quickstart runs Quartet. Copy it to client-cmds/, and see docs/interop.md of Quartet for the rest.
# Quartet speaks pq-devnet-1, which has no aggregators and no committees: what the tool says of them is passed over.

# The tool's Prometheus and leanpoint ask from containers, so the HTTP addresses are all of the machine's, as other clients
# have it here. QUARTET_ADDRESS=127.0.0.1 keeps everything on the loopback.
address="${QUARTET_ADDRESS:-0.0.0.0}"

checkpoint_sync_flag=""
if [ -n "${checkpoint_sync_url:-}" ]; then
    checkpoint_sync_flag="--checkpoint-sync-url $checkpoint_sync_url"
fi

node_binary="${QUARTET_BINARY:-$scriptDir/../quartet/target/release/quartet} node \
      --data-dir $dataDir/$item \
      --genesis $configDir/config.yaml \
      --validators $configDir/validators.yaml \
      --bootnodes $configDir/nodes.yaml \
      --keystores $configDir/hash-sig-keys \
      --node-id $item \
      --node-key $configDir/$privKeyPath \
      --listen-address $address \
      --port $quicPort \
      --http-address $address \
      --http-port $apiPort \
      --http-allowed-host host.docker.internal \
      --metrics-address $address \
      --metrics-port $metricsPort \
      $checkpoint_sync_flag"

# There is no published image: build one, with `quartet` as its entry point.
node_docker="quartet:local node \
      --data-dir /data \
      --genesis /config/config.yaml \
      --validators /config/validators.yaml \
      --bootnodes /config/nodes.yaml \
      --keystores /config/hash-sig-keys \
      --node-id $item \
      --node-key /config/$privKeyPath \
      --listen-address $address \
      --port $quicPort \
      --http-address $address \
      --http-port $apiPort \
      --http-allowed-host host.docker.internal \
      --metrics-address $address \
      --metrics-port $metricsPort \
      $checkpoint_sync_flag"

node_setup="binary"
