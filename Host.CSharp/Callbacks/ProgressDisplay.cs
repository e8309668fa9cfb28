using System.Diagnostics;
using Hybrid.Host.Runtime;
using Spectre.Console;

namespace Hybrid.Host.Callbacks;

/// <summary>One line an epoch, and on a terminal a bar for the epoch that runs.</summary>
public sealed class ProgressDisplay(Output output) : EpochCallback
{
    private readonly Stopwatch _epoch = new();
    private ProgressContext? _bars;
    private ProgressTask? _bar;
    private int _epochs;
    private int _steps;
    private long _firstStep;
    private string _last = "";

    /// <summary>Runs the work with a place for bars on the terminal, if there is one.</summary>
    public void During(Action work)
    {
        if (!output.Live)
        {
            work();
            return;
        }
        output
            .People.Progress()
            .AutoClear(true)
            .HideCompleted(true)
            .Columns(
                new TaskDescriptionColumn { Alignment = Justify.Left },
                new ProgressBarColumn(),
                new PercentageColumn(),
                new RemainingTimeColumn()
            )
            .Start(context =>
            {
                _bars = context;
                work();
            });
    }

    public override void On(TrainingEvent happened)
    {
        switch (happened)
        {
            case TrainingEvent.FitStarted e:
                (_epochs, _steps) = (e.Epochs, e.StepsPerEpoch);
                break;
            case TrainingEvent.EpochStarted e:
                Begin(e.Epoch, e.Step);
                break;
            case TrainingEvent.EpochResumed e:
                output.Line($"{Title(e.Epoch)} goes on after {e.Batch:N0} of {Counted.Of(_steps, "step")}");
                Begin(e.Epoch, e.Step);
                break;
            case TrainingEvent.LossLogged e:
                _last = $"  loss {e.Loss:F3}  acc {Output.Percent(e.Accuracy)}";
                break;
            case TrainingEvent.StepEnded e when _bar is not null:
                _bar.Value = e.Batch + 1;
                if (_epoch.Elapsed.TotalSeconds > 0.5)
                    _bar.Description = $"{Title(e.Epoch)}  {Rate(e.Step)}{_last}";
                break;
            case TrainingEvent.Diverged e:
                output.Line($"The {e.Metric} of step {e.Step} (epoch {e.Epoch}) is {e.Loss}: the run ends here.");
                break;
        }
        base.On(happened);
    }

    protected override void OnEpoch(EpochMetrics metrics)
    {
        _bar?.StopTask();
        var parts = new List<string>
        {
            Title(metrics.Epoch),
            $"train loss {metrics.TrainLoss:F4} acc {Output.Percent(metrics.TrainAccuracy)}",
        };
        if (!double.IsNaN(metrics.ValLoss))
            parts.Add($"val loss {metrics.ValLoss:F4} acc {Output.Percent(metrics.ValAccuracy)}");
        parts.Add($"{_epoch.Elapsed.TotalSeconds:F1} s");
        output.Line(string.Join("  ", parts));
    }

    private string Title(int epoch) => $"epoch {epoch + 1}/{_epochs}";

    private string Rate(long step) => $"{(step - _firstStep + 1) / _epoch.Elapsed.TotalSeconds:F1} steps/s";

    private void Begin(int epoch, long step)
    {
        _epoch.Restart();
        _firstStep = step;
        _last = "";
        _bar = _bars?.AddTask(Title(epoch), maxValue: _steps);
    }
}
