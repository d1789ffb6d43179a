package ticketing

import "context"

// Direct adds a post for one member alone.
func (d *Desk) Direct(ctx context.Context, by By, to MemberID, p Post, subject any) error {
	return d.change(ctx, by, func(u *use) error { return u.direct(to, p, subject) })
}
