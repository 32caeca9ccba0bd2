package verifier

import "errors"

// Code says why a request or token is not accepted. The API's POST /v1/tokens/validate gives the same codes.
type Code string

// CodeActive is the code of a token that is accepted.
const CodeActive Code = "active"

// Definition is what belongs to a code.
type Definition struct {
	// Status of the response: 400, 401, 403 or 503.
	Status int
	// Title, Cause and Fix are public texts for people.
	Title, Cause, Fix string
	// Retryable tells whether the same request may succeed later.
	Retryable bool
}

// DefinitionOf gives the status and texts of a code; false for an unknown code.
func DefinitionOf(code Code) (Definition, bool) {
	definition, ok := definitions[code]
	return definition, ok
}

// Error is a request or token that is not accepted.
type Error struct {
	Code Code
	Definition
}

// Error is the title, the code and what to do. It never contains a token or a secret.
func (e *Error) Error() string {
	return "sallyport: " + e.Title + " (" + string(e.Code) + "). " + e.Fix
}

func refuse(code Code) *Error { return &Error{Code: code, Definition: definitions[code]} }

// CodeOf is the code of an error of this module, CodeActive for nil, and "" for any other error.
func CodeOf(err error) Code {
	if err == nil {
		return CodeActive
	}
	var refused *Error
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}
