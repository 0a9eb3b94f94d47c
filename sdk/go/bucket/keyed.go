package bucket

// lookedOverOnFull is how many keys an unseen one's arrival looks over, at a full table, for some that can be forgotten.
const lookedOverOnFull = 32

// entry is a key's bucket: at the defaults while it has no core.
type entry struct {
	core     *core
	position units128 // on the defaults' line
	placed   bool
}

// keyed is a bucket per key, in bounded number, without a lock.
//
// A key with parameters of its own has a bucket of its own. A key without stands at the defaults and pays one more bucket
// that all such keys share, so that whoever makes up keys gains nothing. Where there is no room for another key, unseen
// ones share one bucket.
type keyed struct {
	entries   map[string]*entry
	overflow  entry
	newcomers *core
	defaults  defaults
	keysMax   int
}

func newKeyed(by law, keysMax int) keyed {
	return keyed{entries: make(map[string]*entry), defaults: newDefaults(by), keysMax: keysMax}
}

func (k *keyed) decide(key string, units int64, payable bool, nowNs uint64) Decision {
	known := k.entries[key]
	if known == nil || known.core == nil {
		return k.decideAtDefaults(key, known, units, payable, nowNs)
	}
	core := known.core
	if payable && (units == 0 || core.take(units, nowNs)) {
		return allowed(core.law, core.level(nowNs))
	}
	return limited(core.law, core.level(nowNs), units, payable, Own)
}

func (k *keyed) decideAtDefaults(key string, known *entry, units int64, payable bool, nowNs uint64) Decision {
	by := k.defaults.law
	if payable && units == 0 {
		return allowed(by, k.level(known, nowNs))
	}
	if known == nil {
		// What the idle key would be refused an unseen one is refused too, without remembering it.
		if idle := k.defaults.idle(nowNs); !payable || units > idle {
			return limited(by, idle, units, payable, Own)
		}
		if k.newcomers != nil && units > k.newcomers.level(nowNs) {
			return k.refusedByNewcomers(nil, units, nowNs)
		}
	}
	at, refusedBy := known, Own
	if at == nil {
		if at = k.enter(key, nowNs); at == nil {
			at, refusedBy = &k.overflow, Overflow
		}
	}
	level := k.level(at, nowNs)
	if !payable || units > level {
		return limited(by, level, units, payable, refusedBy)
	}
	// Its own bucket is asked first, so that an exhausted key cannot drain what it shares.
	if k.newcomers != nil && !k.newcomers.take(units, nowNs) {
		return k.refusedByNewcomers(at, units, nowNs)
	}
	at.position, at.placed = k.defaults.refilled(nowNs).minus(level-units), true
	return allowed(by, level-units)
}

func (k *keyed) refusedByNewcomers(at *entry, units int64, nowNs uint64) Decision {
	decision := limited(k.defaults.law, k.level(at, nowNs), units, true, Newcomers)
	decision.RetryAfter = wait(k.newcomers.law, k.newcomers.level(nowNs), units, true)
	return decision
}

// level of an entry; one that is unknown is the idle key.
func (k *keyed) level(at *entry, nowNs uint64) int64 {
	switch {
	case at == nil:
		return k.defaults.idle(nowNs)
	case at.core != nil:
		return at.core.level(nowNs)
	default:
		return k.defaults.level(at.position, at.placed, nowNs)
	}
}

// own is a key's own law; nil at the defaults.
func (k *keyed) own(key string) *core {
	if known := k.entries[key]; known != nil {
		return known.core
	}
	return nil
}

// assign gives a key parameters of its own; what it holds is kept up to the new capacity. It says whether there was room.
func (k *keyed) assign(key string, to law, nowNs uint64) bool {
	at := k.enter(key, nowNs)
	if at == nil {
		return false
	}
	if at.core != nil {
		if at.core.law != to {
			at.core.change(to, nowNs)
		}
		return true
	}
	level := least(k.level(at, nowNs), to.capacity)
	at.core = &core{law: to, changedNs: nowNs}
	at.core.settle(level, nowNs)
	return true
}

// unassign puts a key back to the defaults, with what it holds up to what the idle key holds there.
func (k *keyed) unassign(key string, nowNs uint64) {
	at := k.entries[key]
	if at == nil || at.core == nil {
		return
	}
	level := least(at.core.level(nowNs), k.defaults.idle(nowNs))
	at.core = nil
	at.position, at.placed = k.defaults.refilled(nowNs).minus(level), true
}

func (k *keyed) setDefaults(to law, nowNs uint64) {
	if k.defaults.law != to {
		k.defaults.change(to, nowNs)
	}
}

// setNewcomers changes the bucket that newcomers share; nil lifts it. It starts full.
func (k *keyed) setNewcomers(to *law, nowNs uint64) {
	switch {
	case to == nil:
		k.newcomers = nil
	case k.newcomers == nil:
		k.newcomers = &core{law: *to}
	case k.newcomers.law != *to:
		k.newcomers.change(*to, nowNs)
	}
}

// forgetSome looks at some keys and forgets those that are full and at the defaults: as new ones they would be the same.
// A map's iteration begins anywhere, so that in time all have their turn.
func (k *keyed) forgetSome(keys int, nowNs uint64) {
	for key, at := range k.entries {
		if keys--; keys < 0 {
			return
		}
		if at.core == nil && k.level(at, nowNs) >= k.defaults.law.capacity {
			delete(k.entries, key)
		}
	}
}

func (k *keyed) enter(key string, nowNs uint64) *entry {
	if known := k.entries[key]; known != nil {
		return known
	}
	if len(k.entries) >= k.keysMax {
		k.forgetSome(lookedOverOnFull, nowNs)
	}
	if len(k.entries) >= k.keysMax {
		return nil
	}
	at := new(entry)
	k.entries[key] = at
	return at
}
