"""Teacher and student: a wide two-layer network learns a narrow one from few examples.

Gaussian inputs, targets from a two-layer teacher, an overparametrized student of the same form
(arXiv 2210.16400, section 4). The student fits the examples in many ways; label noise drives it to
the flattest, which generalise better to fresh inputs.
"""

import jax
import jax.numpy as jnp
import numpy as np

from flatfast.lab.descent import Descent
from flatfast.lab.goal import Goal
from flatfast.lab.problem import Params, Problem
from flatfast.lab.problems._settings import Training, takes
from flatfast.lab.training import mlp
from flatfast.lab.training.supervised import like, supervised

TEST_EXAMPLES = 1000


@takes(Training)
def teacher_student(
    training: Training,
    *,
    dimension: int = 10,
    teacher_width: int = 2,
    student_width: int = 50,
    examples: int = 100,
    activation: str = "relu",
) -> Problem:
    """The teacher-student problem.

    Args:
        training: The shared settings; the data seed is that of inputs, teacher and test set.
        dimension: Length of the inputs, which are ``N(0, 1)``.
        teacher_width: Hidden units of the teacher, whose outputs are scaled to variance 1.
        student_width: Hidden units of the student.
        examples: Training examples.
        activation: ``relu``, ``tanh`` or ``gelu``, of teacher and student.

    Returns:
        A problem with metrics ``loss``, ``test_error`` (mean squared error on a fresh test set over
        the targets' variance) and ``trace``, the Hessian's on the manifold.

    Raises:
        ValueError: If a setting is out of range.
    """
    for name, value in (
        ("dimension", dimension),
        ("teacher_width", teacher_width),
        ("student_width", student_width),
    ):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    activate = mlp.activation(activation)
    rng = np.random.default_rng(training.data_seed)
    teacher = mlp.kaiming([dimension, teacher_width, 1], activation, int(rng.integers(2**31)))
    inputs = rng.standard_normal((examples + TEST_EXAMPLES, dimension))
    with jax.enable_x64(True):
        outputs = np.asarray(mlp.predict(teacher, jnp.asarray(inputs), activate))
    targets = (outputs - outputs.mean()) / outputs.std()
    train, test = inputs[:examples], inputs[examples:]

    def student(params: Params, batch: jax.Array) -> jax.Array:
        return mlp.predict(params, batch, activate)

    def test_error(params: Params) -> jax.Array:
        guess = student(params, like(params, test))
        return jnp.mean((guess - like(params, targets[examples:])) ** 2)

    def trace(params: Params) -> jax.Array:
        return mlp.jacobian_norm_squared(params, like(params, train), activate) / examples

    return supervised(
        "teacher-student",
        student,
        mlp.kaiming([dimension, student_width, 1], activation, training.init_seed),
        train,
        targets[:examples],
        goal=Goal("cooled:trace", 0.3),
        noise_std=training.noise_std,
        batch_size=training.batch_size,
        metrics={"test_error": test_error, "trace": trace},
        start=training.start,
        descent=Descent(lr=0.02, momentum=0.9, steps=100_000),
        interpolated_at=1e-6,
        cooling=Descent(lr=0.02, momentum=0.9, steps=500),
        settings={
            "dimension": dimension,
            "teacher_width": teacher_width,
            "student_width": student_width,
            "examples": examples,
            "activation": activation,
            **training.settings(),
        },
    )


PROBLEMS = {"teacher-student": teacher_student}
