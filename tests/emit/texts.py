"""Rule files for the emitter's tests: two usual networks, four that no pack has, a rule that scales everything."""

from __future__ import annotations

HEAD = """
use std.dims
use std.mup
use std.optimizers

rule mine extends mup {
  base N = 16, L = 2
  run { lr = 2^-8;  clip = 1;  warmup = 4;  schedule = cosine;  final_lr = 2^-12 }
}

rule loud extends mine {
  tensor matrix, output   { scale ~ 1/sqrt(fan_in);  init.std = 1/fan_in }
  tensor input, norm.gain { scale = 3/4 }
  tensor readout          { init = zero }
  tensor attention.v      { init = uniform;  init.std = 1/2;  lr *= 3 }
  site residual           { scale ~ 1/depth;  skip = 7/8 }
  site residual.mlp       { scale = 1/3 }
  site attention.output   { scale = 5/4 }
  site mlp.act            { scale = sqrt(2) }
  site logits             { scale = 1/2 }
  run                     { 1 - beta2 = 1/50 }
}

rule loud_mlp extends mine {
  tensor matrix, output { scale ~ 1/sqrt(fan_in);  init.std = 1/fan_in }
  tensor "first.weight" { scale = 3/4;  init = uniform;  init.std = 1/2;  lr *= 3 }
  site logits           { scale = 1/2 }
}

rule loud_modified extends mine {
  tensor bias   { init = normal;  init.std = 1/2;  scale = 5/8 }
  tensor lora   { init.std = 1/4;  scale = 3/4 }
  site lora     { scale = 3/2 }
  site residual { scale = 1/(layer + 2);  skip = sqrt(depth)/(depth + layer) }
  site logits   { scale = 1/2 }
}
"""

GPT = """
network tiny_gpt {
  dims  N, L, H = N/8, F = 4*N
  fixed V = 256, T = 12
  embed(vocabulary = V, width = N)
  position(T)
  repeat L {
    residual { norm(layer) attention(heads = H, causal) }
    residual { norm(layer) mlp(width = F, act = gelu) }
  }
  norm(layer)
  readout(V)
}
"""

MLP = """
network tiny_mlp {
  dims  N, L
  fixed D = 6, C = 4
  input(D)
  linear(N) as first
  act(relu)
  repeat L { linear(N) as hidden  act(square_relu) }
  readout(C)
}
"""

PARALLEL = """
network parallel {
  dims  N, L, H = N/8
  fixed V = 32, T = 12
  embed(vocabulary = V, width = N)
  repeat L {
    residual {
      norm(layer, gain = no)
      sum { branch { attention(heads = H, causal) } branch { mlp(width = 2*N, act = silu) } }
    }
  }
  readout(V)
}
"""

POST_NORM = """
network post_norm {
  dims  N, L, H = N/8, F = 4*N
  fixed V = 32, T = 12
  embed(vocabulary = V, width = N)
  position(T)
  repeat L {
    residual { attention(heads = H) }
    norm(layer)
    residual { mlp(width = F, act = tanh) }
    norm(layer)
  }
  readout(V)
}
"""

TWO_STACKS = """
network two_stacks {
  dims  N, L, H = N/8
  fixed V = 32, T = 12
  embed(vocabulary = V, width = N)
  position(T)
  repeat 1 + L as mixer { residual { norm(layer) attention(heads = H, causal) }  residual { linear(N) act(relu) } }
  repeat 2 as dense { residual { norm(layer) mlp(width = 2*N, act = relu) norm(layer) mlp(width = 3*N, act = relu) } }
  norm(layer, gain = no)
  readout(V)
}
"""

LLAMA = """
rule loud_llama extends loud {
  tensor bias                   { scale = 5/8;  init = normal;  init.std = 1/2 }
  tensor attention.qk_norm.gain { scale = 3/2 }
  tensor mlp.gate               { lr *= 2 }
}

network tiny_llama {
  dims  N, L, H = N/8, Hkv = H/2, F = 4*N
  fixed V = 32, T = 12
  embed(vocabulary = V, width = N, context = T)
  repeat L {
    residual { norm(rms) attention(heads = H, kv_heads = Hkv, rope, causal, qk_norm, bias) }
    residual { norm(layer, bias) mlp(width = F, act = swiglu, bias) }
  }
  norm(rms)
  linear(N, bias)
  readout(V, bias)
}
"""

TIED = """
network tiny_tied {
  dims  N, L, H = N/16
  fixed V = 32, T = 12
  embed(vocabulary = V, width = N, context = T)
  repeat L {
    residual {
      norm(rms, gain = no)
      attention(heads = H, rope, rope_layout = pairs, rope_base = 500, causal)
    }
    residual { norm(rms) mlp(width = 2*N, act = swiglu) }
  }
  norm(layer, bias)
  readout(V, tied = yes)
}
"""

LATENT = """
rule loud_latent extends loud {
  tensor bias              { scale = 5/8;  init = normal;  init.std = 1/2 }
  tensor attention.kv_down { scale = 3/2 }
  tensor attention.k_rope  { scale = 2/3 }
}
network tiny_latent {
  dims  N, L, H = N/8, Rq = N/2, Rkv = N/4
  fixed V = 32, T = 12
  embed(vocabulary = V, width = N, context = T)
  repeat L {
    residual { norm(rms) attention(heads = H, head_dim = 6, q_rank = Rq, kv_rank = Rkv, rope_dim = 4, causal, bias) }
    residual { norm(rms) mlp(width = 2*N, act = swiglu) }
  }
  residual { attention(heads = H, kv_rank = Rkv, rope_dim = 2, rope_layout = pairs, rope_base = 500, causal) }
  residual { attention(heads = H, kv_rank = Rkv) }
  norm(rms)
  readout(V)
}
"""

MODIFIED = """
network modified {
  dims  N, L, H = N/8, r = 2, rho = 1/2
  fixed V = 32, T = 12
  embed(vocabulary = V, width = N)
  position(T)
  repeat L {
    residual { norm(layer) attention(heads = H, causal) }
    repeat 2 as inner { residual { linear(N) as map } }
  }
  repeat 2 as tail { residual { norm(layer) mlp(width = 2*N, act = identity, bias) } }
  readout(V)
  sparse(density = rho, on = [attention.k, mlp, linear])
  lora(rank = r, on = [attention.q, mlp.up, linear, readout])
}
"""

LOUD = {"tiny_mlp": "loud_mlp", "tiny_llama": "loud_llama", "tiny_latent": "loud_latent", "modified": "loud_modified"}
NETWORKS = {
    "tiny_gpt": GPT,
    "tiny_mlp": MLP,
    "parallel": PARALLEL,
    "post_norm": POST_NORM,
    "two_stacks": TWO_STACKS,
    "tiny_llama": LLAMA,
    "tiny_tied": TIED,
    "tiny_latent": LATENT,
    "modified": MODIFIED,
}
CASES = [(name, rule) for name in NETWORKS for rule in ("mine", LOUD.get(name, "loud"))]
EVERYTHING = HEAD + "".join(NETWORKS.values())
