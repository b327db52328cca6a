#!/usr/bin/env bash
# Builds the fuzz targets with coverage counters and the address sanitizer, and runs each for some seconds.
#
#   fuzz/run.sh [SECONDS] [TARGET]...
#
# Needs a nightly toolchain and a C++ compiler, but not cargo-fuzz: the flags below are the ones it would pass. What a
# target finds lies in fuzz/artifacts/TARGET, what it learnt in fuzz/corpus/TARGET.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-10}
[ $# -eq 0 ] || shift
all=(dockerfile shell elf fatbin layer reference www_authenticate require driver_spec)
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=("${all[@]}")

triple=$(rustc +nightly -vV | sed -n 's/^host: //p')
# Fuzz builds share nothing with others, so they have a folder of their own.
out=$PWD/fuzz/target
flags=(
  --cfg fuzzing -Zsanitizer=address -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=4
)
build=()
for target in "${targets[@]}"; do build+=(--bin "$target"); done
# Not --locked: the lock file here follows the dependencies of the crate above.
RUSTFLAGS="${flags[*]}" cargo +nightly build --quiet --release --manifest-path fuzz/Cargo.toml \
  --target "$triple" --target-dir "$out" "${build[@]}"

# Seeds: what the repository has of each kind, and the lines of fuzz/seeds/TARGET.txt, a seed each.
seed() { # target, files...
  local target=$1 file
  shift
  mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
  for file in "$@"; do
    [ ! -f "$file" ] || cp "$file" "fuzz/corpus/$target/$(basename "$file")"
  done
  local line number=0
  if [ -f "fuzz/seeds/$target.txt" ]; then
    while IFS= read -r line; do
      number=$((number + 1))
      printf '%s' "$line" > "fuzz/corpus/$target/seed-$number"
    done < "fuzz/seeds/$target.txt"
  fi
}

failed=()
for target in "${targets[@]}"; do
  case $target in
    dockerfile | shell) seed "$target" fixtures/dockerfiles/*.Dockerfile ;;
    layer) seed "$target" fixtures/images/*/blobs/sha256/* ;;
    *) seed "$target" ;;
  esac
  options=(-max_len=65536 -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 -artifact_prefix="fuzz/artifacts/$target/")
  if [ "$target" = dockerfile ]; then options+=(-dict=fuzz/dockerfile.dict); fi
  log=$out/$target.log
  if "$out/$triple/release/$target" "${options[@]}" "fuzz/corpus/$target" > "$log" 2>&1; then
    printf '%-18s %s\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: */executions: /p' "$log")"
  else
    failed+=("$target")
    printf '%-18s FAILED\n' "$target"
    tail -40 "$log"
  fi
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]}; see fuzz/artifacts" >&2
  exit 1
fi
