namespace Hybrid.Host.Runtime;

/// <summary>The request was right but the work failed: a broken file, a lost connection. Exit code 1.</summary>
public sealed class WorkException(string message, Exception? cause = null) : Exception(message, cause);
