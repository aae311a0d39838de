#!/usr/bin/env bash
# Builds the version before this one from git, and prints the path of its binary: the last release, or else the commit before this one. Kept
# under target/previous, so that it is built once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
commit=$(git rev-list -n 1 "$(git describe --tags --match 'v[0-9]*' --abbrev=0 HEAD~1 2>/dev/null || echo HEAD~1)")
folder=target/previous/$commit
if [ ! -x "$folder/baton" ]; then
    source=target/previous/source
    git worktree prune
    [ ! -e "$source" ] || git worktree remove --force "$source"
    git worktree add --force --detach "$source" "$commit" >&2
    # The same packages are built with the same features as here, so that they can be shared.
    (cd "$source" && cargo build --locked --workspace --bin baton --target-dir ../build) >&2
    mkdir -p "$folder"
    cp target/previous/build/debug/baton "$folder/baton"
    git worktree remove --force "$source"
fi
echo "$PWD/$folder/baton"
