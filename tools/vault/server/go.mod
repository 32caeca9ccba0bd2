module sallyport.example/vault-server

go 1.25.3

// The sdk is the release that Vault 1.21.0 was built with: its own go.mod replaces it by a folder.
require (
	github.com/hashicorp/go-hclog v1.6.3
	github.com/hashicorp/vault v1.21.0
	github.com/hashicorp/vault/sdk v0.20.0
)

// Raft's discovery of cloud machines would bring the SDKs of more clouds, and 470 packages.
replace github.com/hashicorp/go-discover => ./discover
