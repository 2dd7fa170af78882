//! What must hold of the simulator itself before anything that it finds can be believed.

use sim::{Plan, run};

#[test]
fn one_seed_makes_one_world() {
    for seed in 0..8 {
        let [first, second] = [0, 1].map(|_| run(seed, &Plan::default()));
        assert_eq!((first.steps, first.entries, first.broken), (second.steps, second.entries, second.broken));
        assert!(first.entries > 50, "something happens in world {seed}");
    }
}

#[test]
fn two_seeds_make_two_worlds() {
    let [first, second] = [1, 2].map(|seed| run(seed, &Plan::default()));
    assert_ne!((first.steps, first.entries), (second.steps, second.entries));
}
