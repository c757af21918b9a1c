"""Networks: what is computed, token by token, and the weights that it is computed with.

Symbols, in the order in which one Mamba-2 layer produces them. Networks use the symbols of the
paper (Dao and Gu, "Transformers are SSMs", 2024); units and hardware use the roles.

| paper          | role in hardware | in `transformers`           | what it is                   |
|----------------|------------------|-----------------------------|------------------------------|
| u              | residual         | hidden_states               | the stream between layers    |
| z              | gate             | gate                        | multiplies y through SiLU    |
| x              | x                | hidden_states, split        | input of the scan            |
| B              | B                | B                           | writes x into the state      |
| C              | C                | C                           | reads y from the state       |
| delta          | delta            | softplus(dt + dt_bias)      | step size of one head        |
| A              | (in decay)       | -exp(A_log)                 | rate of a head, negative     |
| exp(delta * A) | decay            | dA                          | what the state keeps, 0 to 1 |
| delta * B * x  | drive            | dBx                         | what the state is given      |
| h              | state            | ssm_states, recurrent_state | memory of the scan           |
| D              | skip             | D                           | from x straight to y         |
| y              | y                | scan_output                 | output of the scan           |

Dimensions: H heads (`num_heads`), P head_dim (`head_dim`), N state (`state_size`), G groups
(`n_groups`); `Mamba2Shape` has them all.

Mamba-1 (Gu and Dao, "Mamba", 2023) has the same symbols. There in_proj gives x and z alone, and the
convolution sees x alone; x_proj makes B, C and a delta of `dt_rank` numbers from its output, and
dt_proj widens that delta to one for each channel. A has a rate for each state number of each
channel, and no norm follows the gate. `Mamba1Shape` has its dimensions.
"""
