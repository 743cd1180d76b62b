#!/bin/sh
# Make the recovery store at the first start, then run the flow. FLOW is the flow's module. Arguments go to Bytewax.
set -eu
store="${RECOVERY_DIR:-/var/lib/pricewax/recovery}"
mkdir -p "$(dirname "$store")"
# Under a lock: two containers may start at once on one volume.
(
    flock 9
    if [ ! -d "$store" ]; then
        rm -rf "$store.new"
        mkdir "$store.new"
        python -m bytewax.recovery "$store.new" "${RECOVERY_PARTITIONS:-4}"
        mv "$store.new" "$store"
    fi
) 9>"$store.lock"
exec python -m bytewax.run "${FLOW:-dataflows.pricing}" -r "$store" -s 1 -b 0 "$@"
