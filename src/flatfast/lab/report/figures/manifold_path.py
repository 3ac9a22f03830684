"""The scalar product's path: runs beside the hyperbola of minimizers ``u v = y``."""

import numpy as np
from matplotlib.figure import Figure

from flatfast.lab.report.figures.example_runs import example_colours
from flatfast.lab.report.provenance import provenance
from flatfast.lab.report.study import Study
from flatfast.lab.report.theme import Theme, new_figure, themed
from flatfast.lab.report.trajectories import pick_examples
from flatfast.lab.report.typography import momentum
from flatfast.lab.report.values import spread, tell

# The forecast is not drawn here: its paths stay on the hyperbola itself, and how fast they go along
# it the other figures show.

METRICS = ("u_norm", "v_norm")

SHOWN = 0.97
"""Share of all coordinates that lies inside the frame."""

RASTERISE_ABOVE = 3000
"""Points of one path beyond which it becomes a picture inside the SVG."""


@themed
def manifold_path(study: Study, theme: Theme) -> Figure:
    """``|v|`` against ``|u|`` for one run of each of three momenta.

    Raises:
        CannotDraw: If no trajectories were kept, or nothing converged.
    """
    examples = pick_examples(study, METRICS)
    given = provenance(study.manifest).settings.get("target", 1.0)
    target = float(given) if isinstance(given, int | float) and 0 < given < np.inf else 1.0
    figure = new_figure(height=3.1)
    panels = figure.subplots(1, len(examples.examples), sharex=True, sharey=True, squeeze=False)[0]
    colours = example_colours(theme)
    shown = {example.label: example.runs[0] for example in examples.examples}
    u = np.concatenate([run.values["u_norm"] for run in shown.values()])
    v = np.concatenate([run.values["v_norm"] for run in shown.values()])
    # With too much momentum rare swings go far; they may leave the frame.
    starts = [1.25 * value for value in (u[0], v[0]) if np.isfinite(value)]
    along = np.concatenate([u, v])
    reach = max(*starts, float(np.quantile(along[np.isfinite(along)], SHOWN)), 0.1 * target)
    curve = np.geomspace(target / reach / 2, reach, 300)
    flattest = np.sqrt(target)
    for axes, example in zip(panels, examples.examples, strict=True):
        run = shown[example.label]
        path = run.values["u_norm"], run.values["v_norm"]
        axes.plot(curve, target / curve, color=theme.muted, lw=1.3, zorder=1.5)
        axes.plot(
            *path,
            color=colours[example.label],
            lw=0.9,
            alpha=0.85,
            rasterized=len(run.steps) > RASTERISE_ABOVE,
        )
        told = spread(len(run.steps))
        tell(
            axes,
            path[0][told],
            path[1][told],
            {
                "momentum": 1 - example.mu,
                "step": run.steps[told],
                "|u|": path[0][told],
                "|v|": path[1][told],
            },
        )
        axes.plot(path[0][0], path[1][0], "s", ms=6, color=theme.ink, label="start", zorder=5)
        axes.plot(
            path[0][-1],
            path[1][-1],
            "o",
            ms=6,
            mfc=colours[example.label],
            mec=theme.ink,
            label="end",
            zorder=6,
        )
        axes.plot(
            flattest,
            flattest,
            marker="*",
            ls="",
            ms=11,
            mfc=theme.surface,
            mec=theme.ink,
            label="flattest minimum",
            zorder=4,
        )
        axes.set_title(f"{example.label}:\nmomentum\n{momentum(1 - example.mu)}", fontsize=10.5)
        axes.set_xlabel("|u|")
        axes.set_xlim(0, reach)
        axes.set_ylim(0, reach)
        axes.set_box_aspect(1)
    panels[0].set_ylabel("|v|")
    handles, labels = panels[0].get_legend_handles_labels()
    curve_handle = panels[0].lines[0]
    figure.legend(
        [curve_handle, *handles],
        ["minimizers", *labels],
        loc="outside lower center",
        ncols=4,
        columnspacing=1.2,
        handletextpad=0.4,
    )
    return figure
