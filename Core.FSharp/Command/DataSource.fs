namespace Hybrid.Command

/// Where images come from. A folder is empty where none was given.
[<RequireQualifiedAccess>]
type DataSource =
    /// Drawn by the program itself.
    | Shapes
    | Cifar10 of Folder: string
    | Cifar100 of Folder: string
    /// Pictures in one folder a class.
    | Folder of Folder: string

    /// As it is given on the command line.
    override source.ToString() =
        let at name folder = if folder = "" then name else $"{name}:{folder}"

        match source with
        | Shapes -> "shapes"
        | Cifar10 folder -> at "cifar10" folder
        | Cifar100 folder -> at "cifar100" folder
        | Folder folder -> at "folder" folder
