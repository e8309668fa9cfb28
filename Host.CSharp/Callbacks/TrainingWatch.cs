using System.Text.Json.Nodes;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Callbacks;

/// <summary>
/// Reads a run's events and hands each to the callbacks in turn. The run ends when one of them wants it to; when the
/// user interrupts, it is left where it is.
/// </summary>
public sealed class TrainingWatch
{
    private readonly IReadOnlyList<ICallback> _callbacks;
    private JsonObject? _beforeEnd;

    /// <param name="callbacks">In the order in which they are told.</param>
    /// <exception cref="ArgumentException">Two that remember something go by one name.</exception>
    public TrainingWatch(IReadOnlyList<ICallback> callbacks, TrainingPosition start)
        : this(callbacks, [], start) { }

    /// <param name="watching">Told of an event first, in this order.</param>
    /// <param name="saving">Told after them, so that what those remember is of the event that is saved.</param>
    /// <exception cref="ArgumentException">Two that remember something go by one name.</exception>
    public TrainingWatch(IReadOnlyList<ICallback> watching, IReadOnlyList<ICallback> saving, TrainingPosition start)
    {
        (_callbacks, Epochs, Steps) = ([.. watching, .. saving], start.Epoch, start.Step);
        var twice = Stateful.GroupBy(it => it.Name).FirstOrDefault(group => group.Count() > 1);
        if (twice is not null)
            throw new ArgumentException($"two callbacks store their memory under the name '{twice.Key}'");
    }

    /// <summary>Epochs that were trained to their end.</summary>
    public int Epochs { get; private set; }

    /// <summary>Steps that were taken.</summary>
    public long Steps { get; private set; }

    /// <summary>Those callbacks that remember something.</summary>
    public IEnumerable<IStateful> Stateful => _callbacks.OfType<IStateful>();

    /// <summary>Where the loss stopped being a number, if it did.</summary>
    public TrainingEvent.Diverged? Diverged { get; private set; }

    /// <summary>What they remember of the place that the run is at.</summary>
    public JsonObject Memories => _beforeEnd ?? Remember();

    private bool WantsStop => _callbacks.Any(callback => callback.WantsStop);

    public void Follow(Fit run)
    {
        // One that had ended the run, and was put back, has not changed its mind.
        if (WantsStop)
            run.Stop();
        try
        {
            foreach (var happened in run)
            {
                Count(happened);
                // A validation that is broken off is done again, with all that the end of an epoch tells.
                if (happened is TrainingEvent.EpochTrained)
                    _beforeEnd = Remember();
                foreach (var callback in _callbacks)
                    callback.On(happened);
                // Only between steps or epochs is the run at a place that it can be taken up from.
                if (happened is not (TrainingEvent.StepEnded or TrainingEvent.EpochEnded))
                    continue;
                if (Interrupt.Asked)
                    return;
                if (WantsStop)
                    run.Stop();
            }
        }
        catch (OperationCanceledException) when (Interrupt.Asked)
        {
            // In a validation: the run is where its epoch's last step left it.
        }
    }

    private JsonObject Remember() =>
        new(Stateful.Select(it => KeyValuePair.Create<string, JsonNode?>(it.Name, it.Save())));

    private void Count(TrainingEvent happened)
    {
        switch (happened)
        {
            case TrainingEvent.StepEnded e:
                Steps = e.Step + 1;
                break;
            case TrainingEvent.EpochEnded e:
                (Epochs, _beforeEnd) = (e.Epoch + 1, null);
                break;
            case TrainingEvent.Diverged e:
                Diverged = e;
                break;
        }
    }
}
