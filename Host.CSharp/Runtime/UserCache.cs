namespace Hybrid.Host.Runtime;

/// <summary>What is kept between runs and can be made again.</summary>
internal static class UserCache
{
    /// <summary>The folder for one kind of thing in the user's cache folder, as the system has it; it need not be there
    /// yet.</summary>
    public static string Folder(string kind)
    {
        var home = Environment.GetFolderPath(
            Environment.SpecialFolder.UserProfile,
            Environment.SpecialFolderOption.DoNotVerify
        );
        var usual =
            OperatingSystem.IsWindows() ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
            : OperatingSystem.IsMacOS() ? Path.Combine(home, "Library", "Caches")
            : Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } named ? named
            : Path.Combine(home, ".cache");
        return Path.Combine(Path.IsPathRooted(usual) ? usual : Path.GetTempPath(), "hybrid", kind);
    }
}
