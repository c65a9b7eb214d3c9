"""The applications that ship with Proffer; each is loaded through its entry point, like a stranger's."""
