using Hybrid.Host;

return App.Run(args);
