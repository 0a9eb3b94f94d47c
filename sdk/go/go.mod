module openclaw.dev/go

go 1.19
