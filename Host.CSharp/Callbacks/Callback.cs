namespace Hybrid.Host.Callbacks;

/// <summary>Callbacks from plain functions, for those that need no class of their own.</summary>
public static class Callback
{
    /// <summary>Does something at each event.</summary>
    public static ICallback Of(Action<TrainingEvent> on) => new Watching(on);

    /// <summary>Ends the run after the first event that is so.</summary>
    public static ICallback StopWhen(Func<TrainingEvent, bool> isEnough) => new Ending(isEnough);

    private sealed class Watching(Action<TrainingEvent> on) : ICallback
    {
        public void On(TrainingEvent happened) => on(happened);
    }

    private sealed class Ending(Func<TrainingEvent, bool> isEnough) : ICallback
    {
        public bool WantsStop { get; private set; }

        public void On(TrainingEvent happened) => WantsStop |= isEnough(happened);
    }
}
