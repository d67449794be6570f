// Package retention decides which generations of a VM are kept. It knows no
// repository: it is given names and times, and returns decisions with the rules
// that led to them.
//
// What it promises:
//   - Rules add up: what one of them keeps stays, whatever the others say.
//   - A rule for hours, days, weeks, months or years keeps the newest generation
//     of each of the newest so many of them that have one. They are those of the
//     calendar, weeks beginning on Monday, in the location given. Empty ones are
//     not counted, so that a VM that was not captured for a year loses nothing.
//   - The newest good generation is always kept.
//   - A clock that stands behind, or jumps back, makes Apply keep more, never
//     less: a generation of the future is kept and counts for no rule, else it
//     would take the place of all that are captured until then. A clock that
//     went ahead changes nothing where rules count. Within alone believes in
//     times: one generation whose clock was ahead makes all others old, once
//     that time has come.
//
// Start from Policy and Apply.
package retention
