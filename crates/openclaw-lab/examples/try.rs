//! x
use openclaw_lab::train::*;
use openclaw_learn::*;
use openclaw_controller::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let get = |k: &str, d: f64| args.iter().find_map(|a| a.strip_prefix(&format!("{k}="))).map_or(d, |v| v.parse().unwrap());
    let name = args.iter().find_map(|a| a.strip_prefix("algo=")).unwrap_or("ppo").to_owned();
    let steps = get("steps", 300_000.0) as u64;
    let mut learner = Settings::named(&name).unwrap();
    if let Settings::Ppo(ppo) = &mut learner {
        ppo.steps = steps;
        ppo.learning_rate = get("lr", ppo.learning_rate);
        ppo.gamma = get("gamma", ppo.gamma);
        ppo.log_std = get("logstd", ppo.log_std);
        ppo.entropy = get("entropy", ppo.entropy);
        ppo.slot_hidden = get("slot", ppo.slot_hidden as f64) as usize;
        let h = get("hidden", 48.0) as usize;
        ppo.hidden = vec![h, h];
        ppo.minibatch = get("mb", ppo.minibatch as f64) as usize;
        ppo.gae_lambda = get("lambda", ppo.gae_lambda);
    }
    let w = |n: &str, d: f64| get(n, d);
    let weights = [w("c", 1.0), w("h", 0.0), w("m", 0.0), w("u", 0.0)];
    let settings = TrainSettings {
        learner, seed: get("seed", 1.0) as u64, steps, services: get("services", 64.0) as usize,
        curriculum: vec![Stage { until: 0.1, weights: [2.0,1.0,0.5,0.5] }, Stage { until: 1.0, weights }],
        selection: [get("sc", 13.0) as u64, get("sh", 0.0) as u64, get("sm", 0.0) as u64, get("su", 0.0) as u64],
        look_every: get("every", 100_000.0) as u64,
    };
    let t0 = std::time::Instant::now();
    let mut t = Training::begin(settings, Maker { version: "x".into(), command: String::new(), commit: String::new() }, Compute::cpu(), get("threads", 2.0) as usize).unwrap();
    println!("oracle {:.1}s", t0.elapsed().as_secs_f64());
    for kind in ["little-guard", "little-guard-blind", "aimd"] {
        let kind: ControllerKind = kind.parse().unwrap();
        let s = t.selection().score_kind(kind);
        println!("{:>14} j {:.3} jf {:.3} {:?} {:.1}s", kind.name(), s.j, s.jf, s.families, t0.elapsed().as_secs_f64());
    }
    let t0 = std::time::Instant::now();
    while let Some(a) = t.advance().unwrap() {
        if let Some(s) = a.look {
            t.checkpoint().unwrap();
            println!("{:>8} {:5.1}s j {:.3} jf {:.3} tot {:.4} {:?} ret {:.0?}", a.progress.steps, t0.elapsed().as_secs_f64(), s.j, s.jf, s.total(), s.families, a.progress.episode_return);
        }
    }
    let (s, a) = t.best().unwrap();
    println!("best {:.4} {:?} {:?}", s.total(), s, a.info().provenance.scores.get("steps"));
    if let Some(o) = args.iter().find_map(|a| a.strip_prefix("out=")) { std::fs::write(o, a.to_bytes().unwrap()).unwrap(); }
}
