"""What several tests share: folders, servers, models and documents made on the spot. No test imports another."""
