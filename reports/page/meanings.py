"""What the figures mean, a sentence each, and in which unit they stand."""

from __future__ import annotations

from collections.abc import Mapping

from harness.results import Metric
from harness.spec import SettingName

MEANINGS: Mapping[Metric, str] = {
    "a_mmd": "Distance between a task's real images and those that the model makes of it after the last task, "
    "MMD(X_{D,j}, X_{N,j}), as a mean over tasks (eq. 9 of the paper; biased estimator).",
    "a_mmd_unbiased": "The same as A_mmd by the unbiased estimator, which may fall below zero near zero.",
    "f_mmd": "Forgetting: distance between what the model makes of a task just after learning it and after the last "
    "task, MMD(X_{j,j}, X_{N,j}), as a mean over tasks (eq. 10 of the paper; biased estimator).",
    "f_mmd_unbiased": "The same as F_mmd by the unbiased estimator, which may fall below zero near zero.",
    "kid": "Kernel inception distance between real and generated images, with the tier's own feature extractor.",
    "f_kid": "Forgetting by the kernel inception distance.",
    "n_param": "Parameters that are trained in a task, as a share of the U-Net's.",
    "train_seconds": "Time to train one task, as a mean over tasks; it depends on the machine.",
    "learned_mmd": "Distance between a task's real images and those made just after it was learned, "
    "MMD(X_{D,j}, X_{j,j}).",
    "mmd": "Distance between a task's real images and those made after task i, MMD(X_{D,j}, X_{i,j}).",
    "a_n": "Mean over the first n tasks of the distance to their real images, by the model after task n.",
    "plasticity_distance": "How far the weights are from where they began: Frobenius norm of W_t - W_init, "
    "mean over K/V matrices.",
    "residual_norm": "Norm of what a task adds to the weights, mean over K/V matrices.",
    "mask_density": "Share of the entries that a task's mask keeps.",
    "interference": "Share of a task's squared change that falls on entries which earlier tasks had changed.",
    "overlap": "Cosine between the magnitudes of a task's change and of all earlier ones.",
    "change_density": "Share of the entries that a task changed.",
    "accuracy": "a_{i,j}: accuracy on the test images of task j after learning task i, the prediction being the "
    "highest logit of all classes seen so far.",
    "learned_accuracy": "Accuracy on a task's test images just after it was learned, a_{j,j}, as a mean over tasks.",
    "a_n_mean": "The mean of A_1, ..., A_N, A_n being the mean accuracy on tasks 1 to n after task n. The other "
    "reading of 'average accuracy' is A_N.",
    "forgetting_max": "The highest accuracy that a task had before the last one was learned, less what it has after "
    "it, as a mean over all tasks but the last; in points of %.",
    "forgetting_step": "What learning a task cost the earlier ones, the mean of a_{n-1,j} - a_{n,j} over j < n, as a "
    "mean over all tasks n but the first; in points of %.",
}
_OF_CLASSES: Mapping[Metric, str] = {
    "n_param": "Parameters that are trained in a task, as a share of the ViT's.",
    "a_n": "A_N: accuracy on the test images of a task after learning the last one, a_{N,j}, as a mean over tasks, the "
    "prediction being the highest logit of all classes. The other reading of 'average accuracy' is the mean of A_1, "
    "..., A_N.",
    "plasticity_distance": "How far the weights are from where they began: Frobenius norm of W_t - W_init, "
    "mean over the matrices that are adapted.",
    "residual_norm": "Norm of what a task adds to the weights, mean over the matrices that are adapted.",
}


def meanings(setting: SettingName) -> Mapping[Metric, str]:
    """Metric -> what its figures mean in that setting."""
    return {**MEANINGS, **(_OF_CLASSES if setting == "classification" else {})}


UNITS: Mapping[str, str] = {
    "1e-3": "\N{MULTIPLICATION SIGN}10⁻³ (the score times 1000)",
    "1": "a plain number",
    "%": "%",
    "s": "seconds",
    "fraction": "fraction, 0 to 1",
}
