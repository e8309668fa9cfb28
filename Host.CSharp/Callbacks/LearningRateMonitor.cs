namespace Hybrid.Host.Callbacks;

/// <summary>
/// When the learning rate goes into the logs. As Lightning's monitor: as each epoch starts, or else with every record of
/// the training loss, as the rate that the step was taken at.
/// </summary>
/// <param name="Steps">Steps from one record to the next; 0 for once an epoch.</param>
public sealed record LearningRateMonitor(int Steps = 0)
{
    /// <summary>The record that an event calls for, if any.</summary>
    public (int Epoch, long Step, double Rate)? Read(TrainingEvent happened) =>
        happened switch
        {
            TrainingEvent.EpochStarted e when Steps == 0 => (e.Epoch, e.Step, e.LearningRate),
            TrainingEvent.StepEnded e when Steps > 0 && (e.Step + 1) % Steps == 0 => (e.Epoch, e.Step, e.LearningRate),
            _ => null,
        };
}
