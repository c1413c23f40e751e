#!/usr/bin/env bash
# Trains the priors of sundae_ablations.yaml: seven variants of a small SUNDAE prior on emoji, three seeds each.
#   bash benchmarks/studies/sundae_ablations.sh && lightgen bench --config sundae_ablations.yaml --out runs/bench-sundae_ablations
# Called again, it goes on where it stopped; called in a second shell, it shares the work.
# Each variant is trained for STEPS batches, u1-long for twice as many.
set -eu
STEPS=${STEPS:-400}
RUNS=${RUNS:-runs/ablations}
NETWORK="--model.network.dim 64 --model.network.heads 1 --model.network.dim_head 64"
RESAMPLER=--model.network.resampler
PLAIN=--trainer.callbacks=[]

train() {  # NAME SEED STEPS OPTIONS...
    local root=$RUNS/$1-$2 steps=$3 seed=$2
    shift 3
    mkdir -p "$root"
    exec 9> "$root/lock"
    flock --nonblock 9 || return 0
    [ -f "$root/done" ] && return 0
    local from=()
    [ -f "$root/last.ckpt" ] && from=(--ckpt_path "$root/last.ckpt")
    # shellcheck disable=SC2086
    lightgen fit --config emoji64-class.yaml $NETWORK --model.tokenizer zoo:emoji64-tokenizer \
        --data.cache "$RUNS/tokens" --trainer.default_root_dir "$root" --trainer.logger false \
        --trainer.limit_val_batches 0 --trainer.max_steps "$steps" --model.scheduler.total_steps "$steps" \
        --seed_everything "$seed" --model.seed "$seed" "$@" ${from[@]+"${from[@]}"}
    touch "$root/done"
}

for seed in 0 1 2; do
    train u2 $seed "$STEPS"
    train u1 $seed "$STEPS" --model.process.num_unrolls 1
    train u1-long $seed $((2 * STEPS)) --model.process.num_unrolls 1
    train u3 $seed "$STEPS" --model.process.num_unrolls 3
    train no-ema $seed "$STEPS" $PLAIN
    train one-d $seed "$STEPS" $RESAMPLER.axes 1 $RESAMPLER.base.axes 1
    train released $seed "$STEPS" $RESAMPLER.axes 1 $RESAMPLER.base.axes 2
done
