namespace Hybrid.Host.Callbacks;

/// <summary>Watches a run. All callbacks see the same events, each in its turn and before the run goes on.</summary>
public interface ICallback
{
    void On(TrainingEvent happened);

    /// <summary>Whether the run should end here; asked after each event.</summary>
    bool WantsStop => false;
}
