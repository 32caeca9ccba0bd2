//go:build tools

// Names the programs of Kubernetes that go.mod and go.sum are for: `go install` refuses a module with replacements.
package programs

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kube-scheduler"
)
