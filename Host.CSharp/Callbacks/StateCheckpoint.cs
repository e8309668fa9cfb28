namespace Hybrid.Host.Callbacks;

/// <summary>
/// Saves the whole state of a run every so many steps and after each epoch. Comes after all other callbacks, so that
/// what they remember is of the same moment.
/// </summary>
/// <param name="save">Writes the state of this moment.</param>
public sealed class StateCheckpoint(int everySteps, Action save) : ICallback
{
    public void On(TrainingEvent happened)
    {
        if (
            happened is TrainingEvent.EpochEnded
            || happened is TrainingEvent.StepEnded e && (e.Step + 1) % everySteps == 0
        )
            save();
    }
}
