"""How results of the customization setting are printed."""

from __future__ import annotations

from harness.settings.presentation import Column, Plots, Presentation
from harness.settings.shared_columns import MEMORY, SHARE, SPREAD, WEIGHTS

COLUMNS = (
    SHARE,
    Column(
        "a_mmd", "1e-3", "A_mmd (x10^3)", "A_mmd", (r"$A_\mathrm{mmd}$", r"($\times 10^3$)"), score=True, by_task=True,
    ),
    Column(
        "a_mmd_unbiased", "1e-3", "A_mmd unbiased (x10^3)", "A_mmd unb.",
        (r"$A_\mathrm{mmd}$", r"unbiased ($\times 10^3$)"), interval=True, compact=False, score=True, by_task=True,
    ),
    Column(
        "f_mmd", "1e-3", "F_mmd (x10^3)", "F_mmd", (r"$F_\mathrm{mmd}$", r"($\times 10^3$)"), score=True, by_task=True,
    ),
    Column(
        "f_mmd_unbiased", "1e-3", "F_mmd unbiased (x10^3)", "F_mmd unb.",
        (r"$F_\mathrm{mmd}$", r"unbiased ($\times 10^3$)"), interval=True, compact=False, score=True, by_task=True,
    ),
    Column("kid", "1e-3", "KID (x10^3)", "KID", ("KID", r"($\times 10^3$)"), score=True, by_task=True),
    Column("train_seconds", "s", "train s/task", "s/task", ("train", "s/task"), digits=1, by_task=True),
)  # fmt: skip
MORE = (
    Column(
        "f_kid", "1e-3", "F_KID (x10^3)", "F_KID", (r"$F_\mathrm{KID}$", r"($\times 10^3$)"), score=True, by_task=True,
    ),
    Column(
        "learned_mmd", "1e-3", "A_mmd just learned (x10^3)", "learned",
        (r"$A_\mathrm{mmd}$", r"just learned ($\times 10^3$)"), score=True, by_task=True,
    ),
    *WEIGHTS,
)  # fmt: skip
_KERNELS = {"unit": "unit norm", "offset0": "offset 0", "scale1": "unit norm, scale 1"}  # see harness.metrics.variants
VARIANTS = tuple(
    Column(
        f"{metric}.{name}", "1e-3", f"{title} {words} (x10^3)", f"{title}.{name}",
        (rf"${title[0]}_\mathrm{{mmd}}$", rf"{words} ($\times 10^3$)"), by_task=True,
    )
    for metric, title in (("a_mmd", "A_mmd"), ("f_mmd", "F_mmd"))
    for name, words in _KERNELS.items()
)  # fmt: skip
MEANINGS = {
    "a_mmd": "Distance between a task's real images and those that the model makes of it after the last task, "
    "MMD(X_{D,j}, X_{N,j}), as a mean over tasks (eq. 9 of the paper; biased estimator).",
    "a_mmd_unbiased": "The same as A_mmd by the unbiased estimator, which may fall below zero near zero.",
    "f_mmd": "Forgetting: distance between what the model makes of a task just after learning it and after the last "
    "task, MMD(X_{j,j}, X_{N,j}), as a mean over tasks (eq. 10 of the paper; biased estimator).",
    "f_mmd_unbiased": "The same as F_mmd by the unbiased estimator, which may fall below zero near zero.",
    "kid": "Kernel inception distance between real and generated images, with the tier's own feature extractor.",
    **{
        f"{metric}.{name}": f"The same as {metric.capitalize()} by another kernel: {words}."
        for metric in ("a_mmd", "f_mmd")
        for name, words in _KERNELS.items()
    },
    "f_kid": "Forgetting by the kernel inception distance.",
    "n_param": "Parameters that are trained in a task, as a share of the U-Net's, or of the transformer's.",
    "train_seconds": "Time to train one task, as a mean over tasks; it depends on the machine.",
    "learned_mmd": "Distance between a task's real images and those made just after it was learned, MMD(X_{D,j}, "
    "X_{j,j}).",
    "mmd": "Distance between a task's real images and those made after task i, MMD(X_{D,j}, X_{i,j}).",
    "a_n": "Mean over the first n tasks of the distance to their real images, by the model after task n.",
    "plasticity_distance": "How far the weights are from where they began: Frobenius norm of W_t - W_init, mean over "
    "K/V matrices.",
    "residual_norm": "Norm of what a task adds to the weights, mean over K/V matrices.",
    "mask_density": "Share of the entries that a task's mask keeps.",
    "interference": "Share of a task's squared change that falls on entries which earlier tasks had changed.",
    "overlap": "Cosine between the magnitudes of a task's change and of all earlier ones.",
    "change_density": "Share of the entries that a task changed.",
    **MEMORY,
}

PRESENTATION = Presentation(
    columns=COLUMNS,
    more=MORE,
    variants=VARIANTS,
    meanings=MEANINGS,
    trials="seeds",
    headline=("a_mmd", "f_mmd"),
    plots=Plots(
        unit="1e-3",
        mean="mean MMD",
        matrix=("mmd", "MMD of X_D,j and X_i,j", "images of it"),
        learned=("learned_mmd", "MMD to the real images just after learning"),
        forgotten=("f_mmd", "F_mmd"),
    ),
    adapted="K/V",
    whole="U-Net",
    spread=(f"Mean over run seeds. {SPREAD}"),
    legend=(
        "A_mmd: mean over tasks of the MMD score x10^3 between real and generated images after training on all tasks; "
        "F_mmd: mean forgetting, between images just after a task and after all; N_param: parameters trained in a "
        "task, in % of the U-Net; KID: A_mmd by the unbiased estimate in random subsets."
    ),
    units=("A_mmd, F_mmd and KID x10^3."),
    interval=(
        "Brackets: 95 % interval of one seed's figure, both bounds averaged over the seeds. It is made by leaving out "
        "one generated image at a time (jackknife, t; in F_mmd one pair of images), with concepts, real images and "
        "trained models held fixed: what other noise in sampling alone would change."
    ),
)
