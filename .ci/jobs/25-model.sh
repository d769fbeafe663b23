# The protocol between host and server holds in its model, and the faults of old protocols are found
# there.
. "$CI_DIR/lib.sh"
need gcc libc6-dev spin
"$CI_SRC/tests/model/run.sh" | tee model.txt
while read -r name kind states _; do
    count_check "model: $name, $kind, $states states"
done <model.txt
