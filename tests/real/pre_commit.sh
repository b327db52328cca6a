#!/usr/bin/env bash
# Real pre-commit over the hooks of this checkout, in git repositories made here.
#
#   tests/real/pre_commit.sh CUDALINT
#
# Needs pre-commit and git on the PATH, and HEAD to hold the hooks. CUDALINT_SKIP_SLOW=1 leaves out the hook that
# pre-commit builds itself (a release build; CARGO_TARGET_DIR lets it reuse one).
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
cudalint=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

export PRE_COMMIT_HOME=$work/home
export GIT_AUTHOR_NAME=test GIT_AUTHOR_EMAIL=test@example.com GIT_COMMITTER_NAME=test GIT_COMMITTER_EMAIL=test@example.com
# The checkout may belong to another user than the one that runs the tests.
export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' GIT_CONFIG_KEY_1=init.defaultBranch GIT_CONFIG_VALUE_1=main
mkdir "$work/bin"
ln -s "$cudalint" "$work/bin/cudalint"
head=$(git -C "$root" rev-parse HEAD)

fail() {
  echo "pre-commit: $1" >&2
  [ ! -f "$work/log" ] || cat "$work/log" >&2
  exit 1
}

# A repository that uses one hook of this checkout.
repository() { # name, hook
  mkdir "$work/$1"
  cd "$work/$1"
  git init --quiet
  cat > .pre-commit-config.yaml <<YAML
repos:
  - repo: file://$root
    rev: $head
    hooks:
      - id: $2
YAML
}

# Runs the hooks over all files; the status goes to $status, what was printed to the log.
run() {
  git add --all
  status=0
  pre-commit run --all-files --color never > "$work/log" 2>&1 || status=$?
}

bad='FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nRUN apt-get update && apt-get install -y nvidia-driver-525\n'
good='FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nCMD ["nvidia-smi"]\n'

PATH=$work/bin:$PATH
repository system cudalint-system

# shellcheck disable=SC2059
printf "$good" > Dockerfile
run
if [ "$status" -ne 0 ] || ! grep -q 'Passed' "$work/log"; then fail "a good Dockerfile should pass"; fi
echo "ok: a good Dockerfile passes"

for name in Dockerfile Dockerfile-gpu Dockerfile_cuda Dockerfile.cu124 gpu.Dockerfile docker/train.dockerfile Containerfile; do
  git rm --quiet -r --cached --ignore-unmatch . > /dev/null
  find . -mindepth 1 -maxdepth 1 ! -name .git ! -name .pre-commit-config.yaml -exec rm -rf {} +
  mkdir -p "$(dirname "$name")"
  # shellcheck disable=SC2059
  printf "$good" > "$name"
  run
  if [ "$status" -ne 0 ] || ! grep -q 'Passed' "$work/log"; then fail "a good $name should be looked at and pass"; fi
  # shellcheck disable=SC2059
  printf "$bad" > "$name"
  run
  if [ "$status" -ne 1 ] || ! grep -q CU301 "$work/log" || ! grep -qF "$name:2" "$work/log"; then fail "a bad $name should fail with CU301 at line 2"; fi
  echo "ok: $name is looked at: passes when good, fails with CU301 when bad"
done

find . -mindepth 1 -maxdepth 1 ! -name .git ! -name .pre-commit-config.yaml -exec rm -rf {} +
for name in Dockerfile.j2 Dockerfile.md dockerfile.py Dockerfile.dockerignore notes.txt; do
  # shellcheck disable=SC2059
  printf "$bad" > "$name"
done
run
if [ "$status" -ne 0 ] || ! grep -q 'no files to check' "$work/log"; then fail "templates and other files should be left alone"; fi
echo "ok: Dockerfile.j2 and other kinds are left alone"

pre-commit install > /dev/null
git add --all
git commit --quiet --message "templates" 2> /dev/null || fail "a commit without findings should go through"
# shellcheck disable=SC2059
printf "$bad" > Dockerfile
git add Dockerfile
if git commit --quiet --message "driver" > "$work/log" 2>&1; then fail "a commit with findings should be refused"; fi
grep -q CU301 "$work/log" || fail "the refusal should name the rule"
echo "ok: git commit is refused, and says why"

if [ "${CUDALINT_SKIP_SLOW:-}" = 1 ]; then
  echo "skipped: the hook that pre-commit builds (CUDALINT_SKIP_SLOW=1)"
  exit 0
fi
repository built cudalint
# shellcheck disable=SC2059
printf "$bad" > Dockerfile
rm "$work/bin/cudalint"
run
if [ "$status" -ne 1 ] || ! grep -q CU301 "$work/log"; then fail "the built hook should fail with CU301"; fi
# shellcheck disable=SC2059
printf "$good" > Dockerfile
run
if [ "$status" -ne 0 ] || ! grep -q Passed "$work/log"; then fail "the built hook should pass"; fi
echo "ok: the hook that pre-commit builds from this checkout fires and passes"
