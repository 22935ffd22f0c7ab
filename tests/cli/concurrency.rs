use crate::harness::World;

#[test]
fn writers_at_once_lose_nothing() {
    let world = World::new();
    let runs: Vec<_> = (0..50)
        .map(|n| world.run(["set".to_owned(), format!("K{n:02}"), "-".into(), "--lock-timeout".into(), "60s".into()]))
        .collect();
    let mut children: Vec<_> = runs.iter().map(crate::harness::Run::spawn).collect();
    for (n, child) in children.iter_mut().enumerate() {
        use std::io::Write;
        child.stdin.take().unwrap().write_all(format!("value {n}").as_bytes()).unwrap();
    }
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for n in [0, 17, 49] {
        assert_eq!(world.value(&format!("K{n:02}")), format!("value {n}").as_bytes());
    }
    assert_eq!(world.vault(["list", "--json"]).ok().silent().json().as_array().unwrap().len(), 50);
    world.vault(["verify"]).ok().prints("all 50 values open");
    world.vault(["audit", "verify", "--deep"]).ok();
    let records = world.records("alice-laptop");
    assert_eq!(records.iter().filter(|r| r["action"] == "set" && r["outcome"] == "done").count(), 50);
}

#[test]
fn readers_and_writers_do_not_disturb_each_other() {
    let (world, value) = World::with_secret("K");
    let set: Vec<_> = (0..10).map(|n| world.run(["set".to_owned(), format!("N{n}"), "--generate".into()])).collect();
    let get: Vec<_> = (0..20).map(|_| world.run(["get", "K"])).collect();
    let writers: Vec<_> = set.iter().map(crate::harness::Run::spawn).collect();
    let readers: Vec<_> = get.iter().map(crate::harness::Run::spawn).collect();
    for child in readers {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.stdout, value.as_bytes(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for child in writers {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    world.vault(["audit", "verify", "--deep"]).ok();
}

#[test]
fn a_held_lock_is_waited_for_and_then_told() {
    let (world, value) = World::with_secret("K");
    let lock = vault::store::Lock::acquire(&world.project, std::time::Duration::from_secs(1)).unwrap();
    let before = world.snapshot();
    let set = || world.run(["set", "K", "-", "--lock-timeout", "1s"]).stdin("v").output();
    set().fails(7, "is locked by", "--lock-timeout");
    world.assert_unchanged(&before);
    // Readers never take it.
    assert_eq!(world.value("K"), value.as_bytes());
    drop(lock);
    set().ok();
    let state = world.state().join("vaults").join(world.id());
    let _lock = vault::store::Lock::acquire(&state, std::time::Duration::from_secs(1)).unwrap();
    // What has to be remembered cannot be.
    world.run(["set", "K2", "-", "--lock-timeout", "1s"]).stdin("v").output().exits(7);
}
