"""wrpme as the cache of a framework: Django, aiocache, Flask-Caching. Each module needs its package, and no other."""
