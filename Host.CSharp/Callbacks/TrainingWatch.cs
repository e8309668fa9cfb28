using Hybrid.Host.Runtime;

namespace Hybrid.Host.Callbacks;

/// <summary>Reads a run's events, hands each to the callbacks in turn, and stops reading when one wants to or when the
/// user interrupts.</summary>
public sealed class TrainingWatch(IReadOnlyList<ICallback> callbacks, TrainingPosition start)
{
    /// <summary>Epochs that were trained to their end.</summary>
    public int Epochs { get; private set; } = start.Epoch;

    /// <summary>Steps that were taken.</summary>
    public long Steps { get; private set; } = start.Step;

    /// <summary>Those callbacks that remember something.</summary>
    public IEnumerable<IStateful> Stateful => callbacks.OfType<IStateful>();

    /// <summary>Where the loss stopped being a number, if it did.</summary>
    public TrainingEvent.Diverged? Diverged { get; private set; }

    public void Follow(IEnumerable<TrainingEvent> run)
    {
        foreach (var happened in run)
        {
            Count(happened);
            foreach (var callback in callbacks)
                callback.On(happened);
            // Only between steps or epochs is the run at a place that it can be taken up from.
            if (happened is not (TrainingEvent.StepEnded or TrainingEvent.EpochEnded))
                continue;
            if (Interrupt.Asked || callbacks.Any(callback => callback.WantsStop))
                return;
        }
    }

    private void Count(TrainingEvent happened)
    {
        switch (happened)
        {
            case TrainingEvent.StepEnded e:
                Steps = e.Step + 1;
                break;
            case TrainingEvent.EpochEnded e:
                Epochs = e.Epoch + 1;
                break;
            case TrainingEvent.Diverged e:
                Diverged = e;
                break;
        }
    }
}
