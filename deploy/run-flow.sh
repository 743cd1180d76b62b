#!/bin/sh
# Make the recovery store at the first start, then run the flow. FLOW is the flow's module. Arguments go to Bytewax.
set -eu
store="${RECOVERY_DIR:-/var/lib/pricewax/recovery}"
if [ ! -d "$store" ]; then
    mkdir -p "$store.new"
    python -m bytewax.recovery "$store.new" "${RECOVERY_PARTITIONS:-4}"
    mv "$store.new" "$store"
fi
exec python -m bytewax.run "${FLOW:-dataflows.pricing}" -r "$store" -s 1 -b 0 "$@"
