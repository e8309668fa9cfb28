namespace Hybrid.Host.Runtime;

/// <summary>A folder that a user names.</summary>
internal static class NamedFolder
{
    /// <summary>Whether there is such a folder.</summary>
    /// <exception cref="RequestException">That cannot be known: this user may not enter a folder on the way. The system
    /// says of such a folder what it says of one that is not there.</exception>
    public static bool Exists(string path)
    {
        if (Directory.Exists(path))
            return true;
        try
        {
            File.GetAttributes(path);
            return false;
        }
        catch (UnauthorizedAccessException)
        {
            throw new RequestException(
                $"'{path}' cannot be reached: a folder on the way may not be entered by this user"
            );
        }
        catch (IOException)
        {
            return false;
        }
    }
}
