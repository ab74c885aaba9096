"""What C-LoRA and STAMINA can be told of L_forget (eq. 3), in both settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.spec import Options


class ForgetOptions(Options):
    """The penalty on changing what earlier tasks changed: its form and its weight.

    With C = W_{t-1} - W_init and the new residual R, the paper's form, a sum of (C R)^2 over all entries, goes with
    their number and with the fourth power of the changes' size: a weight holds for one backbone, one rate and one
    number of steps. `relative` divides it by sum C^4.
    """

    forget_form: Literal["sum", "relative"] = Field(
        "sum",
        description="L_forget as sum (C R)^2, C what earlier tasks changed: the default, as the published weight is "
        "for it, and as it tightens from task to task like the paper's; or relative, sum (C R)^2 / sum C^4: one weight "
        "for all sizes, near 1, that loosens from task to task; `stamina-bench calibrate` finds weights for both",
    )
    lambda_forget: float = Field(1e8, ge=0, description="weight of L_forget (eq. 3, over all entries and matrices)")
