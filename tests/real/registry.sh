#!/usr/bin/env bash
# Scans real images out of a real registry: Debian's docker-registry on loopback, images that hold NVIDIA's own libcudart
# (from PyPI) and driver libraries (from Debian), pushed there, pulled and judged by cudalint.
#
#   tests/real/registry.sh CUDALINT [TESTBED]
#
# TESTBED is the folder with build_images.py, registry.sh and mini_registry.py (by default ../shared/testbed beside the
# checkout). Needs docker-registry, htpasswd, openssl, curl, gcc, GNU time, libzstd and a Python 3.9 with pip.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
cudalint=$(realpath "$1")
testbed=${2:-$root/../shared/testbed}
python=${PYTHON:-python3}
if [ ! -f "$testbed/build_images.py" ]; then
  echo "skipped: no test bed at $testbed" >&2
  exit 0
fi
testbed=$(realpath "$testbed")

work=$(mktemp -d)
states=()
children=()
# shellcheck disable=SC2317
clean_up() {
  for state in "${states[@]}"; do "$testbed/registry.sh" stop --state "$state" || true; done
  for child in "${children[@]}"; do kill "$child" 2> /dev/null || true; done
  rm -rf "$work"
}
trap clean_up EXIT

# A port whose successor is free too: the registries keep a token server or a blob store there.
free_port() {
  "$python" - <<'PYTHON'
import socket

while True:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        try:
            second.bind(("127.0.0.1", port + 1))
        except OSError:
            continue
        print(port)
        break
PYTHON
}

images=cuda-base,cuda-base-docker,cuda-multiarch,cuda-compat,driver-baked,multistage-copy,static-cudart,whiteout-file
images+=,whiteout-opaque,whiteout-late,tar-odd,cuda-base-none,cuda-base-zstd,mixed-compression,debian-slim
hostile='hostile-gzip-bomb,hostile-gzip-truncated,hostile-digest-mismatch,hostile-path-traversal,hostile-missing-blob'

echo "building the images"
"$python" "$testbed/build_images.py" --out "$work/images" --select "$images,$hostile" 2> "$work/build.log" || {
  cat "$work/build.log" >&2
  exit 1
}

start() { # name, options of registry.sh...
  local name=$1
  shift
  states+=("$work/$name")
  "$testbed/registry.sh" start --state "$work/$name" "$@" > /dev/null
}
push() { # registry, images, options of build_images.py...
  local registry=$1 select=$2
  shift 2
  "$python" "$testbed/build_images.py" --out "$work/images" --no-build --select "$select" --push "$registry" "$@" 2> "$work/push.log"
  if grep -q 'not pushed' "$work/push.log"; then cat "$work/push.log" >&2; exit 1; fi
}

echo "starting the registries"
open_port=$(free_port)
start open --port "$open_port"
basic_port=$(free_port)
start basic --port "$basic_port" --auth basic
token_port=$(free_port)
start token --port "$token_port" --auth token
tls_port=$(free_port)
# It uses the certificate that it finds: one that an authority of ours has issued, as in a company.
mkdir "$work/tls"
for authority in ca other-ca; do
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$authority of the test" -keyout "$work/$authority.key" -out "$work/$authority.crt" 2> /dev/null
done
openssl req -newkey rsa:2048 -nodes -subj '/CN=localhost' -keyout "$work/tls/tls.key" -out "$work/tls.csr" 2> /dev/null
printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n' > "$work/tls.cnf"
openssl x509 -req -in "$work/tls.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -days 2 -extfile "$work/tls.cnf" -out "$work/tls/tls.crt" 2> /dev/null
start tls --port "$tls_port" --tls
# What a real registry refuses to take is served by a small one that gives away whatever lies in a folder.
hostile_port=$(free_port)
"$python" "$testbed/mini_registry.py" "$work/images" --port "$hostile_port" > "$work/mini.log" 2>&1 &
children+=($!)
cut_port=$(free_port)
"$python" "$testbed/mini_registry.py" "$work/images" --port "$cut_port" --fail-first 1000 > "$work/cut.log" 2>&1 &
children+=($!)
for port in "$hostile_port" "$cut_port"; do
  curl --silent --output /dev/null --retry 50 --retry-connrefused --retry-delay 1 --retry-max-time 30 "http://127.0.0.1:$port/v2/"
done

echo "pushing"
push "127.0.0.1:$open_port" "$images"
push "127.0.0.1:$basic_port" debian-slim,driver-baked --user tester:test-password
push "127.0.0.1:$token_port" debian-slim,driver-baked --user tester:test-password
push "127.0.0.1:$tls_port" debian-slim,driver-baked --cacert "$work/ca.crt"

"$python" "$root/tests/real/registry.py" --cudalint "$cudalint" --truth "$work/images/truth" --ca "$work/ca.crt" --other-ca "$work/other-ca.crt" \
  --open "127.0.0.1:$open_port" --basic "127.0.0.1:$basic_port" --token "127.0.0.1:$token_port" --tls "127.0.0.1:$tls_port" \
  --hostile "127.0.0.1:$hostile_port" --cut "127.0.0.1:$cut_port" --unreachable "127.0.0.1:$(free_port)"
