#!/usr/bin/env bash
# Runs in the new environment, from the project's root.
set -euo pipefail
python -m pip install --requirement requirements.lock
python -m pip install --no-deps --editable .
