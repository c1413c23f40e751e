#!/usr/bin/env bash
# What users wait for, then training, sampling and decoding speed of the FFHQ256 and FFHQ1024 configs on one CUDA GPU:
#   bash benchmarks/speed/gpu.sh
# Random weights; eager, compiled and as CUDA graphs; bf16 and fp32; batch 1 and the first power of two whose call takes
# over half a second, or the largest that fits; time, peak memory and the share of the card's matrix rate. Rows are
# printed as they are measured, and the table is kept in benchmarks/results/gpu-DATE-CARD.md (--out FOLDER), which names
# what was skipped for time (--seconds).
#
# $PYTHON, else `python`, needs torch, einops and PyYAML; lightgen is taken from this checkout. Decoding needs
# vector-quantize-pytorch besides (pip install vector-quantize-pytorch); without it, its rows say so.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python}
if ! command -v "$python" >/dev/null; then
    echo "gpu.sh: there is no $python here; set PYTHON" >&2
    exit 1
fi
PYTHONPATH="$here/../..${PYTHONPATH:+:$PYTHONPATH}" exec "$python" "$here/gpu.py" "$@"
