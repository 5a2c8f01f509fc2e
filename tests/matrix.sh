#!/usr/bin/env bash
# Environments in which the fast tests run: PYTHONS x RESOLUTIONS (uv's lowest-direct, highest).
# All tests: MARKS=. The lessons: FOLDER=notebooks. TORCH_INDEX takes the wheels of torch
# from elsewhere, as from https://download.pytorch.org/whl/cpu, which are a tenth of the size.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0
for python in ${PYTHONS:-3.11 3.12 3.13 3.14}; do
    for resolution in ${RESOLUTIONS:-lowest-direct highest}; do
        name="Python $python, $resolution"
        environment=$(mktemp -d)
        # Versions from before a Python have no wheels for it: the lowest run on the oldest.
        if [ "$resolution" = lowest-direct ] && [ "$python" != 3.11 ]; then
            continue
        elif ! uv venv --quiet --clear --python "$python" "$environment"; then
            echo "$name: not run, there is no such Python"
        elif ! VIRTUAL_ENV=$environment uv pip install --quiet --resolution "$resolution" \
            ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -e '.[notebooks,test,grading]'; then
            echo "$name: not installed"
            failed=1
        elif (cd "${FOLDER:-.}" && "$environment/bin/python" -m pytest -q -m "${MARKS-not slow}"); then
            echo "$name: passed"
        else
            echo "$name: failed"
            failed=1
        fi
        rm -rf "$environment"
    done
done
exit $failed
