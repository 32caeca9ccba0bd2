// Package discover stands in for the discovery of cloud machines: a server in memory joins no other.
package discover

import (
	"errors"
	"log"
)

var errAlone = errors.New("this server joins no other")

// Config is a discovery as Vault's settings name it.
type Config map[string]string

func (Config) String() string { return "" }

// Parse accepts no settings.
func Parse(string) (Config, error) { return nil, errAlone }

// Provider finds machines of one cloud.
type Provider interface {
	Addrs(args map[string]string, logger *log.Logger) ([]string, error)
	Help() string
}

// Providers are none.
var Providers map[string]Provider

// Option changes nothing.
type Option func(*Discover) error

// WithProviders ignores its providers.
func WithProviders(map[string]Provider) Option { return nil }

// Discover finds nothing.
type Discover struct{}

// New makes one.
func New(...Option) (*Discover, error) { return &Discover{}, nil }

// Addrs fails.
func (*Discover) Addrs(string, *log.Logger) ([]string, error) { return nil, errAlone }
