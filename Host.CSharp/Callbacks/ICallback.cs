namespace Hybrid.Host.Callbacks;

/// <summary>
/// Watches a run. All callbacks see the same events, each in its turn and before the run goes on. One that remembers
/// something from one event to the next, and is to go on with a run that is taken up again, is also an
/// <see cref="IStateful"/>.
/// </summary>
public interface ICallback
{
    /// <summary>Told of each event. An exception ends the run.</summary>
    void On(TrainingEvent happened);

    /// <summary>
    /// Whether the run should end; asked after each step and each epoch. An epoch that is cut short by it is still
    /// validated and saved.
    /// </summary>
    bool WantsStop => false;
}
