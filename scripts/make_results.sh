#!/bin/sh
# Makes every result that is committed under results/. About two hours on two cores; what is
# stored already is not run again, so it can be stopped and started at will.
set -eu

run() {
    flatfast reproduce "$1" --full --out "runs/$1-full"
}

# A departure keeps its page and its numbers; the page holds the figures.
departure() {
    from=$1 to=results/departures/$2
    shift 2
    flatfast report "runs/$from-full" --out "$to" "$@"
    rm -r "$to/figures"
}

for problem in matrix-sensing scalar-product teacher-student digits-mlp; do
    run "$problem"
    flatfast report "runs/$problem-full" --out "results/$problem"
done

for question in matrix-sensing-iterate teacher-student-test-error digits-mlp-small-lr; do
    run "$question"
    departure "$question" "$question"
done

# The same runs held to other goals.
departure matrix-sensing matrix-sensing-smoothing-0 --smoothing 0
departure matrix-sensing-iterate matrix-sensing-iterate-smoothing-0 --smoothing 0
departure matrix-sensing-iterate matrix-sensing-iterate-smoothing-3 --smoothing 3
departure teacher-student teacher-student-threshold-0.4 --threshold 0.4
departure digits-mlp digits-mlp-threshold-0.5 --threshold 0.5
departure digits-mlp digits-mlp-threshold-0.6 --threshold 0.6
