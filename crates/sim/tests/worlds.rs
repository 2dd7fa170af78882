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

/// As many as a developer waits for; `HEALER_WORLDS=100000` for a night.
fn worlds() -> u64 {
    std::env::var("HEALER_WORLDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3_000)
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

#[test]
fn no_world_breaks_a_promise_and_everything_is_reached() {
    let report = sim::campaign(0..worlds(), threads());
    eprintln!("{report}");
    assert!(report.is_good(), "see the report above");
}

#[cfg(feature = "faults")]
#[test]
fn each_planted_fault_is_found_by_a_world_that_is_clean_without_it() {
    let found = sim::hunt_all(4_000, threads());
    for one in &found {
        eprintln!("{one}");
    }
    assert!(found.len() >= 20, "{} faults", found.len());
    assert!(found.iter().all(|one| one.by.is_some()), "see the list above");
}

/// Each of these once broke a promise, and what it taught is in the engine now; most of them in the world that the seed made
/// before people did all that they do by now.
const ONCE_BROKEN: &[u64] = &[
    69_002, 72_123, 72_953, 74_100, 85_971, 53_175, 90_512, 13_487, 38_332, 42_660, 42_870, 44_302, 25_725, 33_917,
    31_354, 26_394, 1_404, 3_890, 4_095, 8_206, 12_940, 14_196, 29_709, 2_006, 4_870, 14_496, 19_846, 7_924, 8_658,
    12_857, 674, 2, 9, 42, 70, 103, 136, 191, 195, 250, 387, 426, 450, 522, 806, 1_058, 1_348, 1_998, 2_390, 2_551,
    2_724, 3_630, 4_214, 7_636, 7_737, 4_380, 7_109, 15_731, 17_539, 20_935, 5_240, 9_460, 64_350, 12_264, 18_679,
    18_833, 19_859, 20_299, 21_653, 24_178, 24_872, 29_330, 37, 497, 1_065, 1_144, 1_185, 1_383, 2_499, 63_506, 12_933,
    40_611, 2_397, 18_075, 1_084, 100, 799, 10_477, 13_135, 12_565, 42_407, 72_468, 12_152, 29_850, 72_800, 84_795,
    88_749, 37_092, 77_650, 50_004, 13_173, 36_863, 38_651, 97_630, 13, 3_180, 3_793, 4_433, 4_509, 4_750, 6_413,
    6_562, 6_662, 7_120, 7_615, 7_966, 9_257, 10_550, 10_881, 11_153, 13_331, 15_691, 17_276, 26_161, 27_981, 29_977,
    30_856, 41_646, 46_765, 48_015, 53_371, 59_913, 61_465, 63_001, 63_090, 64_605, 34_774, 72_304, 85_820, 91_685,
    93_812, 99_221, 200_195, 202_982, 203_353, 211_411, 212_519, 220_244, 223_760, 246_328, 261_565, 265_508, 269_912,
    271_078, 275_195, 277_403, 303_512, 306_533, 5_631, 9_701, 29_285, 64_756, 78_038, 8_105, 2_446, 8_453, 307_768,
    299, 722, 1_869, 21_911, 22_307, 27_241, 35_758, 41_891, 42_116, 45_949, 55_408, 86_027, 89_331, 89_780, 19_603,
    63_963, 51_516, 7_774, 31_084, 15_571, 79_275, 59_501, 27_126, 19_378, 4_482, 22_697, 24_958, 25_685, 28_047,
    31_896, 27_972, 31_052, 11_043, 27_247, 51_258, 4_871, 4_810, 2_463, 988, 7_023, 16_495, 18_736, 31_898, 35_458,
    38_746, 44_945, 66_979, 68_212, 79_807, 87_908, 92_367, 92_727, 97_186, 8_541, 13_260, 28_882, 31_290, 63_050,
    98_388, 67_647, 77_519, 1_034, 36_248, 46_336, 53_774, 60_656, 77_322, 81_668, 88_281, 10_763, 47_969, 88_416,
    11_084, 12_194, 33_899, 39_941, 41_605, 61_339, 70_493, 70_821, 84_883, 90_424, 91_860, 9_497, 11_443, 24_960,
    28_137, 7_146, 34_903, 43_114, 76_501, 76_788, 99_157, 44_103, 50_303, 53_840, 49_460, 78_432, 98_691, 59_666,
    200_267, 206_805, 214_910, 215_635, 218_406, 37_421, 48_974, 70_180, 91_342, 28_946, 48_219, 58_239, 45_489,
    59_693, 33_821, 39_875, 11_616, 16_253,
];

#[test]
fn the_worlds_that_once_broke_a_promise_keep_it() {
    for seed in ONCE_BROKEN {
        for all_deeds in [false, true] {
            let broken = run(*seed, &Plan { all_deeds, ..Plan::default() }).broken;
            assert!(broken.is_none(), "{}", broken.map(|broken| broken.to_string()).unwrap_or_default());
        }
    }
}
