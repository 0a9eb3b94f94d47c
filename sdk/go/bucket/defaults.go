package bucket

// defaults are the parameters shared by every key without its own.
//
// All these keys stand on one line: what is refilled runs on at the new refill rate from the moment of a change, and the
// cap of every past change binds all keys alike, so one number carries it: the level of an imaginary key that has been
// idle from the beginning. An unseen key is that idle key. So raising the defaults hands no full bucket to made-up keys,
// and forgetting an idle key changes nothing.
type defaults struct {
	law       law
	offset    units128
	sinceNs   uint64
	idleLevel int64
}

func newDefaults(by law) defaults {
	return defaults{law: by, idleLevel: by.capacity}
}

func (d *defaults) refilled(nowNs uint64) units128 {
	return d.law.refilled(nowNs).plus(d.offset)
}

// idle is what the idle key holds: no key at the defaults holds more.
func (d *defaults) idle(nowNs uint64) int64 {
	if d.idleLevel == d.law.capacity || nowNs <= d.sinceNs {
		return d.idleLevel
	}
	gained := d.law.refilled(nowNs).sub(d.law.refilled(d.sinceNs))
	return d.idleLevel + gained.atMost(d.law.capacity-d.idleLevel)
}

// level of a key at a position; one that has none is the idle key.
func (d *defaults) level(position units128, placed bool, nowNs uint64) int64 {
	idle := d.idle(nowNs)
	if !placed {
		return idle
	}
	return d.refilled(nowNs).sub(position).atMost(idle)
}

// change puts other defaults in force for every key, seen or unseen.
func (d *defaults) change(to law, nowNs uint64) {
	// A clock that went back must not grant the time since the last change twice.
	if nowNs < d.sinceNs {
		nowNs = d.sinceNs
	}
	refilled, idle := d.refilled(nowNs), d.idle(nowNs)
	d.offset = refilled.sub(to.refilled(nowNs))
	d.idleLevel = least(idle, to.capacity)
	d.sinceNs, d.law = nowNs, to
}
