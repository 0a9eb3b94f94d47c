"""stable-baselines3's PPO for benches/train: a request per line on standard input, a reply per line on output."""

import json
import sys
import time

import stable_baselines3
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

DEFAULT_THREADS = torch.get_num_threads()


def equal_settings(case):
    """What the other side trains with, in stable-baselines3's words."""
    return {
        "n_steps": case["ticks"],
        "batch_size": case["minibatch"],
        "n_epochs": case["epochs"],
        "learning_rate": lambda left: 1e-3 * (0.05 + 0.95 * left),
        "gamma": 0.98,
        "gae_lambda": 0.95,
        "clip_range": 0.2,
        "ent_coef": 0.001,
        "vf_coef": 0.5,
        "max_grad_norm": 0.5,
        "policy_kwargs": {"net_arch": [64, 64], "activation_fn": torch.nn.ReLU},
    }


def train(case):
    equal = case["case"] == "equal"
    torch.set_num_threads(1 if equal else DEFAULT_THREADS)
    env = make_vec_env("CartPole-v1", n_envs=case["envs"], seed=case["seed"])
    settings = equal_settings(case) if equal else {}
    model = PPO("MlpPolicy", env, seed=case["seed"], device="cpu", **settings)
    start = time.perf_counter()
    model.learn(total_timesteps=case["steps"])
    seconds = time.perf_counter() - start
    fresh = make_vec_env("CartPole-v1", n_envs=1, seed=case["seed"] + 1000)
    mean_return, _ = evaluate_policy(model, fresh, n_eval_episodes=20, deterministic=True)
    return {"stepsPerS": model.num_timesteps / seconds, "meanReturn": float(mean_return)}


def say(reply):
    print(json.dumps(reply), flush=True)


say({"name": f"stable-baselines3 {stable_baselines3.__version__}, torch {torch.__version__}"})
for line in sys.stdin:
    say(train(json.loads(line)))
