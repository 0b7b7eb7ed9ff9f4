// Package status turns what is desired, observed and planned into what people
// and tools read: [Status], the document of `bayplan status -o json`. Its
// fields are a promise: they are only ever added to.
package status
