namespace Hybrid.Host.Data;

/// <summary>The two parts a data set is published in. Validation images are taken from <see cref="Train"/>.</summary>
public enum Split
{
    Train,
    Test,
}
